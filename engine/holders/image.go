package holders

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/containerd/errdefs"

	"faas-docker/function"
)

const (
	repository  = "faas-docker/holder"
	programPath = "/hold"
)

// archive returns the image in the format of docker save, and its tag. The
// tag follows from the content, and the content from the architecture alone, so
// that a new program gets a new image and all providers of one engine share one.
func archive(arch string, program []byte) (ref string, packed []byte, err error) {
	layer, err := pack(file{programPath[1:], 0o555, program})
	if err != nil {
		return "", nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": arch,
		"os":           "linux",
		"created":      "1970-01-01T00:00:00Z",
		"config": map[string]any{
			"Entrypoint": []string{programPath},
			"Labels":     map[string]string{function.LabelRole: function.RoleHolderImage},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hexDigest(layer)}},
	})
	if err != nil {
		return "", nil, err
	}
	ref = repository + ":" + hexDigest(config)[:12]
	configName := hexDigest(config) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{ref}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return "", nil, err
	}
	packed, err = pack(file{"manifest.json", 0o444, manifest}, file{configName, 0o444, config}, file{"layer.tar", 0o444, layer})
	return ref, packed, err
}

type file struct {
	name    string
	mode    int64
	content []byte
}

func pack(files ...file) ([]byte, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: f.mode, Size: int64(len(f.content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return packed.Bytes(), err
}

func hexDigest(content []byte) string {
	return fmt.Sprintf("%x", sha256.Sum256(content))
}

// Image returns the reference of what holders are made of: a program that sleeps, and no other
// file. It is loaded when the engine does not have it, as at first, or after "docker image prune
// --all". Whatever is to be created and never run can be made of it, too. It is an error on
// architectures that we have no program for.
func (k *Keeper) Image(ctx context.Context) (string, error) {
	arch, err := k.engine.Architecture(ctx)
	if err != nil {
		return "", err
	}
	code, ok := program(arch)
	if !ok {
		return "", fmt.Errorf("%w: %q", errNoProgram, arch)
	}
	ref, packed, err := archive(arch, code)
	if err != nil {
		return "", fmt.Errorf("pack the image of holders: %w", err)
	}
	_, err = k.docker.ImageInspect(ctx, ref)
	if !errdefs.IsNotFound(err) {
		return ref, k.engine.Explain("inspect the image of holders", err)
	}
	if err := k.engine.LoadImage(ctx, bytes.NewReader(packed)); err != nil {
		return "", fmt.Errorf("load the image of holders: %w", err)
	}
	k.logger.Info("image of holders loaded", "image", ref)
	return ref, nil
}
