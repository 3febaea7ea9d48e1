// Package routes finds the function, and the filters, for a request that is not
// under /function/.
//
// # Rules
//
// A rule says which requests it is for, what is done to them and where they go:
//
//	shop: Path("/shop/:item") && Method("GET")
//	  -> setPath("/${item}")
//	  -> "function:shop";
//
// That is eskip, skipper's language: a name and a colon, conditions joined by &&
// (or * for none), filters, and a backend, all joined by ->; rules are separated
// by semicolons and // begins a comment. Arguments are numbers, strings and regular
// expressions. In "…" a backslash escapes a quote, a backslash and the usual
// control characters, and is itself otherwise; in `…` nothing is escaped and lines
// may break; in /…/ only \/ is. A backend is "function:name",
// "function:name.namespace", "http://host:port" or <shunt>, which answers 404
// unless a filter has answered.
//
// # Which rule a request gets
//
// The path is decoded and cleaned for matching only: /a%2Fb and //a/./b are /a/b
// here, but the function sees what was sent.
//
//  1. The path decides first, from left to right: a literal segment beats :name,
//     :name beats *rest, and any path beats a rule without one. When every rule at
//     the better path refuses the request, the next best path is tried.
//  2. Among rules of one path the strictest comes first: that with the most
//     conditions, the path not counted, plus its Weight(n).
//  3. Of equally strict ones Path comes before PathSubtree, and then the smaller
//     name before the greater. The order of loading never matters.
//
// PathSubtree("/a") stands for Path("/a"), Path("/a/") and Path("/a/*rest") in one
// rule. The value of a :name has plus signs turned into spaces; that of a *rest
// begins with a slash. Traffic(0.3) draws anew for every rule that asks, so of two
// such rules the second sees only what the first has left.
//
// # What happens to a request
//
// Filters see the request in the order of the rule and the answer in reverse. One that
// answers by itself ends the request side: neither the filters behind it nor the backend
// see the request. What a filter counts lives as long as its rule stays the same. Every
// condition and filter is described, with an example, in docs/routes.md; more can be
// given with Options.
//
// # What no rule can have
//
// /function/, /system/, /healthz and /metrics belong to the provider. A rule for a
// path beneath them is refused, and a rule for everything does not get them: the
// provider asks the table last, and the table does not answer for them.
package routes
