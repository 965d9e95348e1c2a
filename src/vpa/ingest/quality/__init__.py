"""What is doubtful about documents: said in their metadata and in a report, never a reason to drop them silently."""
