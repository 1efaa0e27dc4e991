package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"

	"mmsgw/client"
)

// The numbers are of those set aside for examples (555-01XX).
const (
	demoSender   = "+12125550123"
	demoPassword = "example-only" // of both logins, on loopback, for seconds
)

var demoAreas = []string{"416", "647", "905", "514", "604", "718", "917", "415", "312", "206"}

// demoRecipient is the i-th of 1000 numbers.
func demoRecipient(i int) string {
	return fmt.Sprintf("+1%s555%04d", demoAreas[i/100%len(demoAreas)], 199-i%100)
}

// longestDir leaves room for a socket's name in its path of 107 bytes.
const longestDir = 60

func demoDir() (string, error) {
	base := os.TempDir()
	if len(base) > longestDir {
		base = "/tmp"
	}
	return os.MkdirTemp(base, "mmsgw-demo-")
}

const demoConfig = `state_dir: ./state
media_reserve: 8MiB
listen: {carriers: "tcp:%s", admin: "tcp:127.0.0.1:0"}
accounts:
  - {id: acme, numbers: ["%s"]}
capability: {file: numbers.csv}
carriers:
  - name: north
    protocol: mm7
    url: "%s"
    vasp_id: acme
    vas_id: picture
    auth: {basic: {username: gw, password_file: north.pass}}
    reports: {basic: {username: north, password_file: north.pass}}
    timeouts: {connect: 2s, response: 10s, report: %s}
    limits: {per_second: 200, burst: 8, window: 16, max_message: 2MiB, max_recipients: %d}
    retry: {first: 500ms, max: 2s, unknown_wait: 10s}
routes:
  - {to: ["+1"], carriers: [north]}
`

// together is how many recipients share a request: more than one only where that
// is what is shown.
func (d *demo) together() int {
	if d.end.several {
		return 100
	}
	return 1
}

// write writes the configuration and the files it names.
func (d *demo) write(s *stage, reports string) error {
	patience := "20s"
	if d.fault == "no-report" {
		patience = "4s"
	}
	s.config = filepath.Join(s.dir, "mmsgw.yaml")
	for name, text := range map[string]string{
		"mmsgw.yaml":  fmt.Sprintf(demoConfig, reports, demoSender, s.mmsc.URL(), patience, d.together()),
		"numbers.csv": "number_or_prefix,mms,network,class\n+1,yes,Example Wireless,mobile\n",
		"north.pass":  demoPassword + "\n",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	picture, err := drawJPEG(0)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "1.jpg"), picture, 0o600)
}

// message is what the demo sends: real pictures, drawn here.
func (d *demo) message() (client.Submission, error) {
	m := client.Submission{From: demoSender, Subject: "Greetings", Text: "Thanks for coming by!", Reference: "demo"}
	for i := range d.recipients {
		m.To = append(m.To, demoRecipient(i))
	}
	for i := range d.images {
		draw, kind := drawJPEG, "jpg"
		if i%2 == 1 {
			draw, kind = drawPNG, "png"
		}
		b, err := draw(i)
		if err != nil {
			return m, err
		}
		m.Files = append(m.Files, client.FileOf(fmt.Sprintf("%d.%s", i+1, kind), b))
	}
	return m, nil
}

func drawJPEG(seed int) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, drawing(seed, 640, 480), &jpeg.Options{Quality: 80})
	return b.Bytes(), err
}

func drawPNG(seed int) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, drawing(seed, 192, 144))
	return b.Bytes(), err
}

// drawing is a sunset over waves, another one for each seed.
func drawing(seed, w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	turn := float64(seed) * 0.7
	for y := range h {
		for x := range w {
			u, v := float64(x)/float64(w), float64(y)/float64(h)
			wave := math.Sin(40*v+6*math.Sin(9*u+turn)) * math.Sin(70*u*v+turn)
			sun := math.Exp(-40 * ((u-0.5-0.3*math.Sin(turn))*(u-0.5-0.3*math.Sin(turn)) + (v-0.35)*(v-0.35)))
			img.SetRGBA(x, y, color.RGBA{R: level(0.5 + 0.3*v + sun + 0.1*wave), G: level(0.25 + 0.3*u + 0.7*sun + 0.15*wave), B: level(0.75 - 0.4*v + 0.3*wave), A: 255})
		}
	}
	return img
}

func level(v float64) uint8 { return uint8(255 * min(1, max(0, v))) }
