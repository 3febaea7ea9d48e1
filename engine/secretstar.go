package engine

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
)

// staging is a folder beside the secrets that only root may look into. A file is
// written there first and then linked to its name: the engine replaces a file by
// removing and writing it, so a reader would see half of it, while a link shows
// up whole. It holds the same file, not a second copy.
const staging = "..staging"

// packSecrets makes the archive whose extraction writes the values. It needs no
// order among calls: extracting it again replaces everything it names.
func packSecrets(values map[string][]byte) (io.Reader, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	names := slices.Sorted(maps.Keys(values))
	headers := []*tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: staging + "/", Typeflag: tar.TypeDir, Mode: 0o700},
	}
	for _, name := range names {
		headers = append(headers, &tar.Header{Name: path.Join(staging, name), Typeflag: tar.TypeReg, Mode: 0o444, Size: int64(len(values[name]))})
	}
	for _, name := range names {
		headers = append(headers, &tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: path.Join(staging, name), Mode: 0o444})
	}
	for _, header := range headers {
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if _, err := w.Write(values[path.Base(header.Name)]); err != nil {
			return nil, err
		}
	}
	return &packed, w.Close()
}

// unpackSecrets reads the archive of the folder of secrets. Of a file with two
// names an archive holds the content under the first, which may be the staged
// one; a staged file that was never linked is not a secret yet.
func unpackSecrets(packed io.Reader) (map[string][]byte, error) {
	staged, values := map[string][]byte{}, map[string][]byte{}
	r := tar.NewReader(packed)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
		folder, name := path.Split(header.Name)
		switch {
		case header.Typeflag == tar.TypeLink:
			values[name] = staged[path.Base(header.Linkname)]
		case header.Typeflag != tar.TypeReg:
		default:
			content, err := io.ReadAll(r)
			if err != nil {
				return nil, fmt.Errorf("read %q: %w", name, err)
			}
			if path.Base(folder) == staging {
				staged[name] = content
			} else {
				values[name] = content
			}
		}
	}
}
