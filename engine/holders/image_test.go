package holders

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/distribution/reference"
)

func TestProgram_IsAnExecutableOfItsArchitecture(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		machine elf.Machine
		code    []byte
	}{
		"amd64": {elf.EM_X86_64, []byte{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7}},
		"arm64": {elf.EM_AARCH64, words(
			movz(0, 0), movz(1, 0), movz(2, 0), movz(3, 0), movz(4, 0), movz(8, 73), 0xd4000001, 0x14000000|(1<<26-7),
		)},
	}
	for arch, c := range cases {
		program, ok := program(arch)
		if !ok {
			t.Fatalf("%s: no program", arch)
		}
		file, err := elf.NewFile(bytes.NewReader(program))
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		if file.Machine != c.machine || file.Type != elf.ET_EXEC || len(file.Progs) != 1 {
			t.Fatalf("%s: got %+v, want one segment of an executable for %v", arch, file.FileHeader, c.machine)
		}
		segment := file.Progs[0]
		code := make([]byte, len(c.code))
		if _, err := segment.ReadAt(code, int64(file.Entry-segment.Vaddr)); err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		if !bytes.Equal(code, c.code) || !bytes.HasSuffix(program, c.code) {
			t.Errorf("%s: got % x at its entry, want % x and nothing more", arch, code, c.code)
		}
		if segment.Flags != elf.PF_R|elf.PF_X || segment.Filesz != uint64(len(program)) || segment.Vaddr%segment.Align != segment.Off%segment.Align {
			t.Errorf("%s: got %+v, want all of the file mapped to be read and run", arch, segment.ProgHeader)
		}
	}
	if _, ok := program("riscv64"); ok {
		t.Error("there is a program for riscv64 that nobody has written")
	}
}

// movz is arm64's instruction that sets a register to a small number.
func movz(register, number uint32) uint32 { return 0xd2800000 | number<<5 | register }

func words(instructions ...uint32) []byte {
	var code []byte
	for _, word := range instructions {
		code = binary.LittleEndian.AppendUint32(code, word)
	}
	return code
}

func TestProgram_WaitsForASignal(t *testing.T) {
	t.Parallel()
	program, ok := program(runtime.GOARCH)
	if !ok || runtime.GOOS != "linux" {
		t.Skipf("%s/%s cannot run a holder", runtime.GOOS, runtime.GOARCH)
	}
	path := filepath.Join(t.TempDir(), "hold")
	syscall.ForkLock.RLock() // see enginetest.WriteProgram
	err := os.WriteFile(path, program, 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	state := ""
	for deadline := time.Now().Add(10 * time.Second); state != "S" && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		stat, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "stat"))
		if fields := strings.Fields(string(stat)); len(fields) > 2 && fields[1] == "(hold)" {
			state = fields[2]
		}
	}
	if state != "S" {
		t.Errorf("got the state %q, want it asleep", state)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ended
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want that the signal ended it", cmd.ProcessState)
	}
}

func TestArchive_IsTheSameForTheSameProgram(t *testing.T) {
	t.Parallel()
	pack := func(arch string, program []byte) (string, []byte) {
		ref, packed, err := archive(arch, program)
		if err != nil {
			t.Fatal(err)
		}
		return ref, packed
	}
	ref, packed := pack("amd64", []byte("a"))
	again, packedAgain := pack("amd64", []byte("a"))
	if ref != again || !bytes.Equal(packed, packedAgain) {
		t.Errorf("got %s and %s, want one image", ref, again)
	}
	other, _ := pack("amd64", []byte("b"))
	foreign, _ := pack("arm64", []byte("a"))
	if refs := []string{ref, other, foreign}; slices.Contains(refs[1:], ref) || other == foreign {
		t.Errorf("got %v, want a tag for each content", refs)
	}
	if _, err := reference.ParseNormalizedNamed(ref); err != nil {
		t.Errorf("%q is no reference: %v", ref, err)
	}
}
