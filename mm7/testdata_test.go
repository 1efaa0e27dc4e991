package mm7

import (
	"bufio"
	"bytes"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// sample reads one of the committed messages.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "mm7", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// shared reads a message that lies beside the project and is not committed.
func shared(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(sharedDir(), "mm7", "samples", name))
	if err != nil {
		if os.Getenv("MMSGW_TEST_ALL") == "1" {
			t.Fatalf("sample beside the project: %v; set MMSGW_SHARED to the folder that holds mm7/samples", err)
		}
		t.Skipf("sample beside the project: %v; set MMSGW_SHARED to the folder that holds mm7/samples", err)
	}
	return data
}

func sharedDir() string {
	if dir := os.Getenv("MMSGW_SHARED"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "shared")
}

// message cuts a .http sample into its first line, header and body; anything else is
// a body alone.
func message(t testing.TB, name string, data []byte) (status int, header http.Header, body []byte) {
	t.Helper()
	status, header = 200, http.Header{}
	if !strings.HasSuffix(name, ".http") && !strings.HasSuffix(name, "-post.txt") {
		return status, header, data
	}
	r := bufio.NewReader(bytes.NewReader(data))
	first, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if code, found := strings.CutPrefix(first, "HTTP/1.1 "); found {
		status = positive(code[:3])
	}
	for {
		line, err := r.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if err != nil || line == "" {
			break
		}
		key, value, _ := strings.Cut(line, ":")
		header.Add(key, strings.TrimSpace(value))
	}
	body, err = io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return status, header, body
}

// seeds gives every committed sample to add.
func seeds(f *testing.F, add func(name string, data []byte)) {
	f.Helper()
	root := filepath.Join("..", "testdata", "mm7")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		add(d.Name(), data)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

func preset(t testing.TB, name string) Dialect {
	t.Helper()
	d, ok := Preset(name)
	if !ok {
		t.Fatalf("no preset %s", name)
	}
	return d
}

func itoa(n int) string { return strconv.Itoa(n) }
