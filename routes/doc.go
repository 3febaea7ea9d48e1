// Package routes finds the function, and the filters, for a request that is not under /function/.
//
// # Rules
//
// A rule says which requests it is for, what is done to them and where they go; package eskip reads and
// writes them. The conditions are in this package, the filters in package filters, whose doc tells how to
// add one, and what carries requests to backends that are no functions in package servers.
//
// docs/routes.md says which rule a request gets, and describes every condition and filter with an example.
// PathSubtree("/a") stands for Path("/a"), Path("/a/") and Path("/a/*rest") in one rule. The value of a
// :name has plus signs turned into spaces; that of a *rest begins with a slash. Traffic(0.3) draws anew for
// every rule that asks, so of two such rules the second sees only what the first has left.
//
// # What happens to a request
//
// Filters see the request in the order of the rule and the answer in reverse. One that answers by itself
// ends the request side: neither the filters behind it nor the backend see the request. What a filter
// counts lives as long as its rule stays the same.
//
// # What no rule can have
//
// /function/, /system/, /healthz and /metrics belong to the provider. A rule for a path beneath them is
// refused, and one for everything does not get them: the provider asks the table last, and the table does
// not answer for them.
package routes
