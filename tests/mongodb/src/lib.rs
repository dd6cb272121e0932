//! Nothing by itself: the tests beside it run outlast on MongoDB, as its users would.
