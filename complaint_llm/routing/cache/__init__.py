"""Answers that are kept and given again, and identical requests that become one."""
