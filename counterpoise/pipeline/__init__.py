"""The stages in order: from rows to trained members, rules and a classifier. Read `order` first."""
