//! The shortest function for each way of getting the rule wrong.
