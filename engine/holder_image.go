package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"faas-docker/function"
)

const (
	holderRepository = "faas-docker/holder"
	holderPath       = "/hold"
)

// The machine code of a holder's one program, which waits for a signal, for ever.
// It needs no library, no stack and no memory of its own.
const (
	holderCodeAMD64 = "" +
		"\xb8\x22\x00\x00\x00" + // again: mov eax, 34 (pause)
		"\x0f\x05" + //                  syscall
		"\xeb\xf7" //                    jmp again
	// arm64 has no pause: ppoll of no files, without a time limit, is the same.
	holderCodeARM64 = "" +
		"\x00\x00\x80\xd2" + // again: mov x0, #0 (no files)
		"\x01\x00\x80\xd2" + //        mov x1, #0 (how many)
		"\x02\x00\x80\xd2" + //        mov x2, #0 (no time limit)
		"\x03\x00\x80\xd2" + //        mov x3, #0 (no change of the signal mask)
		"\x04\x00\x80\xd2" + //        mov x4, #0 (whose size is nothing)
		"\x28\x09\x80\xd2" + //        mov x8, #73 (ppoll)
		"\x01\x00\x00\xd4" + //        svc #0
		"\xf9\xff\xff\x17" //          b again
)

// holderProgram returns an executable for an architecture as Go names it; not
// ok where we have none.
func holderProgram(arch string) (program []byte, ok bool) {
	switch arch {
	case "amd64":
		return holderELF(elf.EM_X86_64, holderCodeAMD64), true
	case "arm64":
		return holderELF(elf.EM_AARCH64, holderCodeARM64), true
	}
	return nil, false
}

// holderELF wraps code as the smallest static executable: the file's header, one
// segment that maps the whole file, and the code itself.
func holderELF(machine elf.Machine, code string) []byte {
	const (
		headerSize, segmentSize = 64, 56

		base = 0x400000
		// page is the largest that arm64 has; a segment may be aligned to more than
		// the kernel's pages, but not to less.
		page = 0x10000
	)
	size := uint64(headerSize + segmentSize + len(code))
	header := elf.Header64{
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(machine),
		Version:   uint32(elf.EV_CURRENT),
		Entry:     base + headerSize + segmentSize,
		Phoff:     headerSize,
		Ehsize:    headerSize,
		Phentsize: segmentSize,
		Phnum:     1,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	segment := elf.Prog64{
		Type:   uint32(elf.PT_LOAD),
		Flags:  uint32(elf.PF_R | elf.PF_X),
		Vaddr:  base,
		Paddr:  base,
		Filesz: size,
		Memsz:  size,
		Align:  page,
	}
	var file bytes.Buffer
	for _, part := range []any{header, segment, []byte(code)} {
		// Writing sizes that are fixed to memory has nothing to fail at.
		_ = binary.Write(&file, binary.LittleEndian, part)
	}
	return file.Bytes()
}

// holderArchive returns the image in the format of docker save, and its tag. The
// tag follows from the content, and the content from the architecture alone, so
// that a new program gets a new image and all providers of one engine share one.
func holderArchive(arch string, program []byte) (ref string, packed []byte, err error) {
	layer, err := packFile(holderPath[1:], 0o555, program)
	if err != nil {
		return "", nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": arch,
		"os":           "linux",
		"created":      "1970-01-01T00:00:00Z",
		"config": map[string]any{
			"Entrypoint": []string{holderPath},
			"Labels":     map[string]string{function.LabelRole: roleHolderImage},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hexDigest(layer)}},
	})
	if err != nil {
		return "", nil, err
	}
	ref = holderRepository + ":" + hexDigest(config)[:12]
	packed, err = packImage(ref, config, layer)
	return ref, packed, err
}

func packImage(ref string, config, layer []byte) ([]byte, error) {
	configName := hexDigest(config) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{ref}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, file := range []struct {
		name    string
		content []byte
	}{{"manifest.json", manifest}, {configName, config}, {"layer.tar", layer}} {
		if err := addFile(w, file.name, 0o444, file.content); err != nil {
			return nil, err
		}
	}
	return packed.Bytes(), w.Close()
}

func packFile(name string, mode int64, content []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	if err := addFile(w, name, mode, content); err != nil {
		return nil, err
	}
	return packed.Bytes(), w.Close()
}

func addFile(w *tar.Writer, name string, mode int64, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}

func hexDigest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// holderImage returns the reference of the image that holders are made of. It is
// loaded when the engine does not have it, as at first, or after "docker image
// prune --all". An architecture that we have no program for is errNoHolders.
func (e *Engine) holderImage(ctx context.Context) (ref string, err error) {
	m, err := e.inspectMachine(ctx)
	if err != nil {
		return "", err
	}
	arch := m.facts["node.platform.arch"]
	program, ok := holderProgram(arch)
	if !ok {
		return "", fmt.Errorf("%w: %q", errNoHolders, arch)
	}
	ref, packed, err := holderArchive(arch, program)
	if err != nil {
		return "", fmt.Errorf("pack the image of holders: %w", err)
	}
	_, err = e.docker.ImageInspect(ctx, ref)
	if !errdefs.IsNotFound(err) {
		return ref, e.explain("inspect the image of holders", err)
	}
	return ref, e.loadImage(ctx, ref, packed)
}

func (e *Engine) loadImage(ctx context.Context, ref string, packed []byte) error {
	answer, err := e.docker.ImageLoad(ctx, bytes.NewReader(packed), client.ImageLoadWithQuiet(true))
	if err != nil {
		return e.explain("load the image of holders", err)
	}
	defer func() { _ = answer.Body.Close() }()
	// Progress of a load is told as that of a pull is.
	if err := drainPull(io.LimitReader(answer.Body, 1<<20)); err != nil {
		return fmt.Errorf("load the image of holders: %w", err)
	}
	e.logger.Info("image of holders loaded", "image", ref)
	return nil
}
