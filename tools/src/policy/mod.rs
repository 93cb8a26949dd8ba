//! Policy: who may do what with which paths.
