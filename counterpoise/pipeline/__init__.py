"""The order of the work: from rows to trained members, rules and a classifier. Read `order` first."""
