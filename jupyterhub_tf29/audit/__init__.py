"""The audit trail: who came in, who started and stopped what, and who changed what others may do."""
