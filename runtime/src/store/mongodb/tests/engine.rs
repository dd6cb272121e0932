//! The engine on this store: a function with steps, a transaction, a signal and a child, killed and taken over.
