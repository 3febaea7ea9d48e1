package holders

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// The machine code of a holder's one program, which waits for a signal, for ever.
// It needs no library, no stack and no memory of its own.
const (
	codeAMD64 = "" +
		"\xb8\x22\x00\x00\x00" + // again: mov eax, 34 (pause)
		"\x0f\x05" + //                  syscall
		"\xeb\xf7" //                    jmp again
	// arm64 has no pause: ppoll of no files, without a time limit, is the same.
	codeARM64 = "" +
		"\x00\x00\x80\xd2" + // again: mov x0, #0 (no files)
		"\x01\x00\x80\xd2" + //        mov x1, #0 (how many)
		"\x02\x00\x80\xd2" + //        mov x2, #0 (no time limit)
		"\x03\x00\x80\xd2" + //        mov x3, #0 (no change of the signal mask)
		"\x04\x00\x80\xd2" + //        mov x4, #0 (whose size is nothing)
		"\x28\x09\x80\xd2" + //        mov x8, #73 (ppoll)
		"\x01\x00\x00\xd4" + //        svc #0
		"\xf9\xff\xff\x17" //          b again
)

// program returns the executable for an architecture as Go names it; not
// ok for one that it was not written for.
func program(arch string) (executable []byte, ok bool) {
	switch arch {
	case "amd64":
		return wrap(elf.EM_X86_64, codeAMD64), true
	case "arm64":
		return wrap(elf.EM_AARCH64, codeARM64), true
	}
	return nil, false
}

// wrap makes the smallest static executable of code: the file's header, one
// segment that maps the whole file, and the code itself. It stands for an assembler and
// a linker for each architecture; with Go's own the file has 1.2 MB.
func wrap(machine elf.Machine, code string) []byte {
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
		_ = binary.Write(&file, binary.LittleEndian, part) // never fails: to memory, of a fixed size
	}
	return file.Bytes()
}
