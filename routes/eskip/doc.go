// Package eskip reads and writes rules in eskip, skipper's language.
//
// A rule says which requests it is for, what is done to them and where they go:
//
//	shop: Path("/shop/:item") && Method("GET")
//	  -> setPath("/${item}")
//	  -> "function:shop";
//
// That is a name and a colon, conditions joined by && (or * for none), filters, and a backend, all joined
// by ->. Rules are separated by semicolons, and // begins a comment. Arguments are numbers, strings and
// regular expressions. In "…" a backslash escapes a quote, a backslash and the usual control characters,
// and is itself otherwise; in `…` nothing is escaped and lines may break; in /…/ only \/ is. A backend is
// "function:name", "function:name.namespace", "http://host:port" or <shunt>, a 404 unless a filter answers.
package eskip
