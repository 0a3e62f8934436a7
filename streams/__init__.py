"""The workers: SBI events in; transactions, KPIs and rows out. Pure folds, thin rim."""
