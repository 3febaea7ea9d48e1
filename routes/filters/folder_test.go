package filters

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"faas-docker/routes"
	"faas-docker/routes/files"
)

// Files that rules name are regular ones of a folder, of bounded size. What the table
// lists would be read for ever, or is none of a rule's business.
func TestFolder_OnlyRegularFilesBelowItAreRead(t *testing.T) {
	t.Parallel()
	outside, folder := t.TempDir(), t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(outside, "keys"), []byte("key"), 0o600))
	must(os.WriteFile(in("keys"), []byte("key"), 0o600))
	must(os.Mkdir(in("sub"), 0o700))
	must(os.WriteFile(in("sub/keys"), []byte("key"), 0o600))
	must(os.WriteFile(in("large"), []byte(strings.Repeat("k", longestFile+1)), 0o600))
	must(os.WriteFile(in("sparse"), nil, 0o600))
	must(os.Truncate(in("sparse"), 1<<40))
	must(syscall.Mkfifo(in("pipe"), 0o600))
	socket, err := net.Listen("unix", in("socket"))
	must(err)
	defer func() { _ = socket.Close() }()
	for link, to := range map[string]string{
		"out": filepath.Join(outside, "keys"), "up": "../" + filepath.Base(outside) + "/keys", "within": "sub/keys", "..data": "sub",
		"zero": "/dev/zero", "loop": "loop", "topipe": "pipe", "folder": outside, "random": "/dev/urandom", "environ": "/proc/self/environ",
	} {
		must(os.Symlink(to, in(link)))
	}
	for name, want := range map[string]string{
		in("keys"): "", "keys": "", "sub/../keys": "", "./sub/keys": "", "within": "", "..data/keys": "", folder + "//sub/./keys": "",
		"large": "larger than 1 MiB", "sparse": "larger than 1 MiB", "pipe": "not a regular file", in("pipe"): "not a regular file",
		"topipe": "not a regular file", "socket": "not a regular file", "sub": "not a regular file", ".": "not a regular file",
		"loop": "too many", "out": "escapes", "up": "escapes", "zero": "escapes", "folder/keys": "escapes", "random": "escapes", "environ": "escapes",
		"/dev/zero": "not below", "/dev/stdin": "not below", "/proc/self/environ": "not below", "../keys": "not below", "sub/../../keys": "not below",
		filepath.Join(outside, "keys"): "not below", folder + "x/keys": "not below", "": "not below", "missing": "no such file or directory: it is looked for in " + folder, "keys\x00": "invalid",
	} {
		_, err := newFileValue(Options{Files: files.Folder(folder)}, "apiKey", name, parseKeys)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", name, err, want)
		}
	}
}

// Every filter that names a file goes by the folder, and without one there are none.
func TestFolder_BindsEveryFilterThatNamesAFile(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "k")
	for _, call := range []string{`basicAuth("%")`, `basicAuth("%", "realm")`, `apiKey("X", "%")`, `bearer("%")`, `jwt("HS256", "%")`, `jwt("RS256", "%", "a=b")`, `static("/", "%")`} {
		text := `* -> ` + strings.ReplaceAll(call, "%", path) + ` -> <shunt>`
		for folder, want := range map[files.Folder]string{
			"":                        "routes_dir",
			files.Folder(t.TempDir()): "is not below",
			"/no/such/folder":         "is not below",
		} {
			if _, problems := routes.Check(text, with(Options{Files: folder})); len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
				t.Errorf("%s: %v, want %q", call, problems, want)
			}
		}
	}
}
