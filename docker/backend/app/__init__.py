"""The reference client of dualdb."""
