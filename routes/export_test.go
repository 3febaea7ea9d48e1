package routes

// RouteOf is the route that a function's filters stand before.
func RouteOf(a *Access) *Route { return a.route }
