//! How an update changes a document.
