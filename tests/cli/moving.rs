//! `export` and `import`: a store goes out, and comes in elsewhere.

use std::fs;

use super::shop::{ORDER, Shop};

#[test]
fn a_store_is_moved_with_its_executions() {
    let shop = Shop::new();
    assert_eq!(shop.run(&["call", "double", "21", "--id", "d-1"]).ok(), "42\n");
    let said = shop.run(&["export", "shop.outlast"]).ok();
    assert!(said.contains("1 executions"), "{said}");
    let file = shop.folder.path().join("shop.outlast");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "it holds what the store holds");
    }
    shop.run(&["export", "shop.outlast"]).failed(2, &["is there already"]);
    shop.run(&["import", "shop.outlast", "--store", "sqlite://copy.db"]).ok();
    assert_eq!(shop.run(&["call", "double", "21", "--id", "d-1", "--store", "sqlite://copy.db"]).ok(), "42\n");
    let claims = shop.run(&["show", "d-1", "--json", "--store", "sqlite://copy.db"]).json()["claims"].clone();
    assert_eq!(claims, 1, "its result was there");
    shop.run(&["import", "shop.outlast", "--store", "sqlite://copy.db"]).failed(2, &["executions already"]);
    shop.run(&["call", "double", "22", "--id", "d-1", "--store", "sqlite://copy.db"]).failed(2, &["other arguments"]);
}

#[test]
fn what_is_no_export_or_not_whole_is_refused() {
    let shop = Shop::new();
    let _ = shop.run(&["call", "pay", ORDER, "--detach", "--id", "p"]);
    shop.run(&["call", "double", "1"]).ok();
    shop.run(&["export", "whole"]).ok();
    let file = shop.folder.path().join("whole");
    let bytes = fs::read(&file).unwrap();
    fs::write(shop.folder.path().join("cut"), &bytes[..bytes.len() - 40]).unwrap();
    fs::write(shop.folder.path().join("text"), "hello").unwrap();
    shop.run(&["import", "nowhere", "--store", "sqlite://a.db"]).failed(3, &["nowhere"]);
    shop.run(&["import", "text", "--store", "sqlite://a.db"]).failed(2, &["no stream"]);
    shop.run(&["import", "cut", "--store", "sqlite://a.db"])
        .failed(1, &["nothing was imported", "damaged at byte", "cut off"]);
    // The store is empty, and takes the whole.
    assert_eq!(shop.run(&["ls", "--json", "--store", "sqlite://a.db"]).ok(), "[]\n");
    shop.run(&["import", "whole", "--store", "sqlite://a.db"]).ok();
    shop.run(&["export", "x", "--store", "sqlite://none.db"]).failed(3, &["there is no store"]);
    assert!(!shop.folder.path().join("x").exists() && !shop.folder.path().join("x.part").exists());
}
