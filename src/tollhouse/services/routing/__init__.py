"""Which deployments a call may go to, and in which order."""
