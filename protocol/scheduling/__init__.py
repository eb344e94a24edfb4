"""Jobs for workers, the capacity that workers report, and the waiting time that follows. Pure."""
