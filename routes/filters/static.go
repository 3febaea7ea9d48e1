package filters

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"strings"

	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
	"faas-docker/routes/files"
)

// static serves a folder below that for the files of rules: keys beside it are not served.
type static struct {
	prefix string
	folder files.Folder
	name   string
}

func (o Options) newStatic(args []any) (routes.RequestFunc, error) {
	f := static{prefix: strings.TrimSuffix(routes.CleanPath(argument.Text(args[0])), "/"), folder: o.Files, name: argument.Text(args[1])}
	local, err := o.Files.Local(f.name)
	if err == nil && local == "." {
		err = fmt.Errorf("%s: keys may lie there: want a folder within it", eskip.Quote(f.name))
	}
	if err != nil {
		return nil, err
	}
	root, err := o.Files.Root(f.name)
	if err != nil {
		return nil, err
	}
	return func(c *routes.Context) { c.Serve(http.HandlerFunc(f.serve)) }, root.Close()
}

// serve answers like http.FileServer, but lists no folders and shows no hidden files.
func (f static) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "want GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	file, info, err := f.open(routes.CleanPath(r.URL.Path))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = file.Close() }()
	http.ServeContent(w, r, info.Name(), info.ModTime(), file)
}

// open opens the file that stands for a path, of a folder its index.html.
func (f static) open(asked string) (*os.File, os.FileInfo, error) {
	rest, below := strings.CutPrefix(asked, f.prefix)
	if !below || rest != "" && rest[0] != '/' || strings.Contains(rest, "/.") {
		return nil, nil, os.ErrNotExist
	}
	root, err := f.folder.Root(f.name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }()
	name := strings.Trim(rest, "/")
	if info, err := root.Stat(path.Join(".", name)); err == nil && info.IsDir() {
		name = path.Join(name, "index.html")
	}
	return files.OpenRegular(name, root.Stat, root.OpenFile)
}
