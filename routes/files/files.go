// Package files opens the files that rules name: regular ones of bounded size, below one folder.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"faas-docker/routes/eskip"
)

// Folder is the folder that files named in rules have to lie in. Empty is none: no file
// can be named then. Links within it are followed, and those out of it are refused.
type Folder string

// Local is a name as it is within the folder. An absolute one must lie within it.
func (f Folder) Local(name string) (string, error) {
	if f == "" {
		return "", errors.New("rules may not name files here: the variable routes_dir of the provider names the folder for them")
	}
	local := filepath.Clean(name)
	if filepath.IsAbs(local) {
		whole, err := filepath.Abs(string(f))
		if err != nil {
			return "", err
		}
		if local, err = filepath.Rel(whole, local); err != nil {
			return "", err
		}
	}
	if name == "" || !filepath.IsLocal(local) {
		return "", fmt.Errorf("%s is not below %s, the folder for files of rules: the variable routes_dir of the provider names it", eskip.Quote(eskip.Excerpt(name)), f)
	}
	return local, nil
}

// Open opens a regular file. To read a pipe could last for ever, and a device may have no end.
func (f Folder) Open(name string) (*os.File, os.FileInfo, error) {
	root, local, err := f.root(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = root.Close() }()
	file, info, err := OpenRegular(local, root.Stat, root.OpenFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: it is looked for in %s, the folder that the variable routes_dir of the provider names (ROUTES_DIR of make up)", err, f)
	}
	return file, info, err
}

// Root opens a folder within it.
func (f Folder) Root(name string) (*os.Root, error) {
	root, local, err := f.root(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return root.OpenRoot(local)
}

// root opens the folder, which the caller closes, for a name, and returns that as Local does.
func (f Folder) root(name string) (root *os.Root, local string, err error) {
	if local, err = f.Local(name); err == nil {
		root, err = os.OpenRoot(string(f))
	}
	return root, local, err
}

// OpenRegular opens a file if it is regular. It is looked at first, because opening a
// device can do something, and again afterwards, because it may be another by then.
func OpenRegular(name string, stat func(string) (os.FileInfo, error), open func(string, int, os.FileMode) (*os.File, error)) (*os.File, os.FileInfo, error) {
	if info, err := stat(name); err != nil || !info.Mode().IsRegular() {
		return nil, nil, orNotRegular(err, name)
	}
	file, err := open(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = file.Close()
		return nil, nil, orNotRegular(err, name)
	}
	return file, info, nil
}

func orNotRegular(err error, name string) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: "open", Path: failed.Path, Err: failed.Err} // statat is not the reader's word
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%s is not a regular file", name)
}

// ReadAtMost reads a file of bounded size.
func ReadAtMost(file io.Reader, name string, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s is larger than %d MiB", name, limit>>20)
	}
	return content, err
}
