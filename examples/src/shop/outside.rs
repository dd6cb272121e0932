//! The world outside the store, where exactly once can't be had: a payment provider, a mail folder, and a log of every
//! body that began.
//!
//! All of it are plain files, so that what was done twice can be seen. Nothing here knows what an execution is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::purchases::{Purchase, dollars};

/// How long an answer from somebody else takes: time for a kill between what was done and its record.
const LATENCY: Duration = Duration::from_millis(4);

/// How a file ends while it is being written.
pub(crate) const UNFINISHED: &str = "unfinished";

/// The outside world, as one worker process sees it.
pub(crate) struct Outside {
    folder: PathBuf,
    /// Opened to append: lines of a process that is killed stay whole, and keep their order.
    bodies: File,
    worker: u32,
}

/// Where things lie in the shop's folder.
pub(crate) fn charges(folder: &Path) -> PathBuf {
    folder.join("charges")
}

pub(crate) fn mails(folder: &Path) -> PathBuf {
    folder.join("mails")
}

pub(crate) fn bodies(folder: &Path) -> PathBuf {
    folder.join("bodies.log")
}

impl Outside {
    pub(crate) fn open(folder: &Path, worker: u32) -> io::Result<Self> {
        fs::create_dir_all(charges(folder))?;
        fs::create_dir_all(mails(folder))?;
        let bodies = OpenOptions::new().create(true).append(true).open(bodies(folder))?;
        Ok(Self { folder: folder.to_owned(), bodies, worker })
    }

    /// Logs that a step's body begins: the first thing each of them does.
    pub(crate) fn begins(&self, step: &str, purchase: &Purchase) -> io::Result<()> {
        (&self.bodies).write_all(format!("{} {step} {}\n", purchase.id, self.worker).as_bytes())
    }

    /// Charges a card. Like real providers, this one knows a request that comes again by its key, and answers it with
    /// the charge of the first.
    pub(crate) async fn charge(&self, key: &str, purchase: &Purchase) -> io::Result<String> {
        self.begins("charge", purchase)?;
        write_once(&charges(&self.folder).join(key), &format!("{} {}\n", purchase.id, purchase.cents))?;
        tokio::time::sleep(LATENCY).await;
        Ok(format!("ch_{}", short(key)))
    }

    pub(crate) async fn print_label(&self, key: &str, purchase: &Purchase) -> io::Result<String> {
        self.begins("print_label", purchase)?;
        tokio::time::sleep(LATENCY).await;
        Ok(format!("lb_{}", short(key)))
    }

    pub(crate) async fn mail(&self, key: &str, purchase: &Purchase, charge: &str, label: &str) -> io::Result<()> {
        self.begins("mail", purchase)?;
        let Purchase { id, customer, day, units, cents } = purchase;
        let text = format!(
            "To: customer {customer:04}\nSubject: Your order {id}\n\n{units} units on {day}, {} US dollars.\nPaid with {charge}, sent with {label}.\n",
            dollars(u64::from(*cents))
        );
        write_once(&mails(&self.folder).join(format!("{id}.{key}.txt")), &text)?;
        tokio::time::sleep(LATENCY).await;
        Ok(())
    }
}

/// Puts a whole file there, or finds it there: a process that is killed in between leaves no half of one.
fn write_once(path: &Path, text: &str) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let unfinished = path.with_extension(UNFINISHED);
    fs::write(&unfinished, text)?;
    fs::rename(unfinished, path)
}

fn short(key: &str) -> &str {
    key.get(..12).unwrap_or(key)
}
