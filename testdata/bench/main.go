// Command bench measures mmsgw against a null relay on the same machine in the
// same minute: Unix socket in, HTTP out, the same bytes. Its figures are ratios,
// for a machine's own speed wanders by a factor of two within the hour.
//
// (a) the null relay reads a request whole, posts it on and passes the answer
// back; nothing is checked or stored. (b) mmsgw takes the same request as a
// submission, checks it, makes it durable, sends it as MM7, takes the report
// and settles it. A run of (b) ends when its last report is answered.
//
// Load generator and carrier are one lean process of their own, the same for
// both, so that they decide little of the ratio.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "one short run of each, within 40 seconds")
	only := flag.String("only", "", "small or large: that one alone")
	role := flag.String("role", "", "internal: null-relay")
	socket := flag.String("socket", "", "internal")
	target := flag.String("target", "", "internal")
	binary := flag.String("binary", "", "an mmsgw to measure; empty: built from this tree")
	flag.Parse()
	var err error
	if *role == "null-relay" {
		err = nullRelay(*socket, *target)
	} else {
		err = bench(*quick, *binary, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// work is what is sent.
type work struct {
	name            string
	images, size    int
	clients         int
	reserve         int // MiB of media space that a second of it takes
	quick, thorough time.Duration
}

var works = []work{
	{"small", 1, 20_000, 16, 80, 3 * time.Second, 8 * time.Second},
	{"large", 10, 300_000, 4, 640, 2500 * time.Millisecond, 8 * time.Second},
}

func bench(quick bool, binary, only string) error {
	dir, err := os.MkdirTemp("", "mmsgw-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary == "" {
		binary = filepath.Join(dir, "mmsgw")
		build := exec.Command("go", "build", "-o", binary, "./cmd/mmsgw")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build mmsgw: %w\n%s", err, out)
		}
	}
	rounds := 3
	if quick {
		rounds = 1
	}
	ratios := map[string]float64{}
	for _, w := range works {
		if only != "" && w.name != only {
			continue
		}
		d := w.thorough
		if quick {
			d = w.quick
		}
		ratio, err := compare(dir, binary, w, rounds, d)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		ratios[w.name] = ratio
	}
	return json.NewEncoder(os.Stdout).Encode(struct {
		Small float64 `json:"small,omitempty"`
		Large float64 `json:"large,omitempty"`
	}{ratios["small"], ratios["large"]})
}

// compare runs null relay and mmsgw in turn, the null relay before and after
// each, and gives the median of the ratios.
func compare(dir, binary string, w work, rounds int, d time.Duration) (float64, error) {
	fmt.Printf("%s: %d image(s) of %d bytes, %d clients\n", w.name, w.images, w.size, w.clients)
	before, err := run(w, d/2, func(c *carrier) (*peer, error) { return startNull(dir, c) })
	if err != nil {
		return 0, err
	}
	before.print("null relay")
	var ratios []float64
	for i := range rounds {
		state := filepath.Join(dir, fmt.Sprintf("%s-%d", w.name, i))
		got, err := run(w, d, func(c *carrier) (*peer, error) { return startGateway(state, binary, c, w, d) })
		if err != nil {
			return 0, err
		}
		os.RemoveAll(state)
		got.print("mmsgw")
		after, err := run(w, d/2, func(c *carrier) (*peer, error) { return startNull(dir, c) })
		if err != nil {
			return 0, err
		}
		after.print("null relay")
		ratios = append(ratios, got.rate/((before.rate+after.rate)/2))
		before = after
	}
	slices.Sort(ratios)
	text := strings.Trim(strings.Join(strings.Fields(fmt.Sprintf("%.2f", ratios)), "/"), "[]")
	fmt.Printf("  ratio %s\n", text)
	return float64(int(ratios[len(ratios)/2]*1000)) / 1000, nil
}

// outcome is one run's figures.
type outcome struct {
	messages         int
	rate             float64
	p50, p99         time.Duration
	gateway, harness time.Duration // CPU per message
}

func (o outcome) print(name string) {
	fmt.Printf("  %-10s %8.0f msgs/s  %6d messages  p50 %6.1f ms  p99 %6.1f ms  CPU/message: gateway %5.0f µs, load and carrier %5.0f µs\n",
		name, o.rate, o.messages, ms(o.p50), ms(o.p99), us(o.gateway), us(o.harness))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
