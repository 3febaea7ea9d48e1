package routes_test

import (
	"os"

	"faas-docker/routes"
	"faas-docker/routes/files"
	"faas-docker/routes/filters"
)

// builtin are the options of rules that can have the filters of the program, and some more.
func builtin(more ...routes.FilterSpec) routes.Options {
	return routes.Options{Filters: append(filters.All(filters.Options{Files: files.Folder(os.TempDir())}), more...)}
}
