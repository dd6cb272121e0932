//! Certificates for a server with TLS: an authority of its own, made anew each time.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::program::Certificates;

/// Writes a certificate for 127.0.0.1 and localhost, and all that goes with it, into `folder`.
pub(super) fn write(folder: &Path) -> Result<Certificates, String> {
    let made = make().map_err(|error| format!("can't make a certificate: {error}"))?;
    let files = Certificates {
        authority: folder.join("authority.pem"),
        certificate: folder.join("server.pem"),
        key: folder.join("server-key.pem"),
        both: folder.join("server-and-key.pem"),
    };
    let both = format!("{}{}", made.certificate, made.key);
    let contents = [
        (&files.authority, &made.authority),
        (&files.certificate, &made.certificate),
        (&files.key, &made.key),
        (&files.both, &both),
    ];
    for (path, content) in contents {
        std::fs::write(path, content).map_err(|error| format!("can't write {}: {error}", path.display()))?;
    }
    Ok(files)
}

struct Made {
    authority: String,
    certificate: String,
    key: String,
}

fn make() -> Result<Made, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    Ok(Made { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() })
}
