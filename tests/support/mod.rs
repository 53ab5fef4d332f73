//! Real parts for tests: started, stopped, broken.
