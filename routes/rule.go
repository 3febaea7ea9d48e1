package routes

import "faas-docker/routes/eskip"

// Rule is one rule as it was written; package eskip reads them.
type Rule = eskip.Rule

// Parse reads rules, as eskip.Parse does.
func Parse(text string) ([]Rule, error) { return eskip.Parse(text) }
