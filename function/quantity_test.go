package function

import "testing"

func TestParseMemory(t *testing.T) {
	for text, want := range map[string]int64{
		"5Mi": 5 << 20, "128Mi": 128 << 20, "1Gi": 1 << 30, "1.5Gi": 3 << 29, "64Ki": 64 << 10, "1Ti": 1 << 40,
		"500M": 500e6, "1G": 1e9, "128m": 128 << 20, "512mb": 512 << 20, "512MB": 512 << 20, "1g": 1 << 30,
		"1024": 1024, "1e8": 1e8, "100k": 100 << 10, "10b": 10,
		"": -1, "Mi": -1, "-1Mi": -1, "0": -1, "1Xi": -1, "1 Mi": -1, "NaN": -1, "Inf": -1, "1e40": -1, "5MiB ": -1,
	} {
		got, err := ParseMemory(text)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("ParseMemory(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParseCPU(t *testing.T) {
	for text, want := range map[string]int64{
		"100m": 1e8, "0.5": 5e8, "2": 2e9, "1000m": 1e9, "0.001": 1e6, "1e-1": 1e8,
		"": -1, "m": -1, "-1": -1, "0": -1, "1Gi": -1, "NaN": -1, "1e30": -1,
	} {
		got, err := ParseCPU(text)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("ParseCPU(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestParseGPUs(t *testing.T) {
	for text, want := range map[string]int{"1": 1, "8": 8, "all": -1, "": 0, "0": 0, "65": 0, "x": 0, "-1": 0} {
		got, err := ParseGPUs(text)
		if want == 0 && err == nil || want != 0 && (err != nil || got != want) {
			t.Errorf("ParseGPUs(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

func FuzzParseMemory_IsPositiveOrRefused(f *testing.F) {
	for _, seed := range []string{"5Mi", "1e8", "128m", "1.5Gi", "-0", "9e18", "0x1p3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if amount, err := ParseMemory(text); err == nil && amount < 1 {
			t.Errorf("%q is %d bytes", text, amount)
		}
	})
}
