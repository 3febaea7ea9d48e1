package routes

import "net/http"

// node is a place in the tree of paths: what follows one segment.
type node struct {
	literals map[string]*node
	wildcard *node
	// here are the routes whose path ends here, beyond those that any path further down belongs to.
	here, beyond leaves
}

// leaves are the routes of one path, in the order in which they are asked.
type leaves struct {
	// byHost are those that only a few hosts can match, others the rest.
	byHost map[string][]ranked
	others []ranked
}

// ranked is a route with its place in the order of the table.
type ranked struct {
	route *Route
	rank  int
}

type query struct {
	request *http.Request
	host    string
}

// add puts a route where its path leads. Routes come in the order in which they are asked.
func (n *node) add(r ranked, trimSlash bool) {
	p := r.route.path
	for _, segment := range p.segments {
		n = n.child(segment)
	}
	if p.rest != "" {
		n.beyond.add(r)
	}
	if p.rest == "" || p.subtree {
		n.here.add(r)
	}
	if p.subtree && (!trimSlash || len(p.segments) == 0) {
		n.child("").here.add(r)
	}
}

func (n *node) child(segment string) *node {
	if isWildcard(segment) {
		if n.wildcard == nil {
			n.wildcard = &node{}
		}
		return n.wildcard
	}
	if n.literals == nil {
		n.literals = map[string]*node{}
	}
	if n.literals[segment] == nil {
		n.literals[segment] = &node{}
	}
	return n.literals[segment]
}

// find looks for the first match of the rest of the path: it is empty, or begins with a slash.
func (n *node) find(q query, path string) *Route {
	if path == "" {
		return n.here.find(q)
	}
	segment, after := cutSegment(path)
	if child := n.literals[segment]; child != nil {
		if r := child.find(q, after); r != nil {
			return r
		}
	}
	if n.wildcard != nil && segment != "" {
		if r := n.wildcard.find(q, after); r != nil {
			return r
		}
	}
	if len(path) > 1 {
		return n.beyond.find(q)
	}
	return nil
}

func (l *leaves) add(r ranked) {
	hosts := r.route.hosts
	if hosts == nil {
		l.others = append(l.others, r)
		return
	}
	if l.byHost == nil {
		l.byHost = map[string][]ranked{}
	}
	for _, host := range hosts {
		l.byHost[host] = append(l.byHost[host], r)
	}
}

// find asks the routes that may match, strictest first.
func (l *leaves) find(q query) *Route {
	hosted, others := l.byHost[q.host], l.others
	for len(hosted)+len(others) > 0 {
		from := &others
		if len(others) == 0 || len(hosted) > 0 && hosted[0].rank < others[0].rank {
			from = &hosted
		}
		route := (*from)[0].route
		*from = (*from)[1:]
		if route.matches(q.request) {
			return route
		}
	}
	return nil
}
