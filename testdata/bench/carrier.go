package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/textproto"
	"strconv"
	"sync/atomic"
	"time"
)

// carrier is a lean MMSC: it reads a request, answers, and reports each message
// retrieved on a few kept connections. It checks nothing.
type carrier struct {
	l         net.Listener
	queue     chan string // transaction ids to report
	asked     atomic.Int64
	reported  atomic.Int64
	reporting bool
	failed    atomic.Value
}

func newCarrier() (*carrier, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &carrier{l: l, queue: make(chan string, 1<<16)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	return c, nil
}

func (c *carrier) addr() string { return c.l.Addr().String() }

func (c *carrier) close() {
	c.l.Close()
	close(c.queue)
}

// drained waits until every report is answered.
func (c *carrier) drained(patience time.Duration) error {
	for deadline := time.Now().Add(patience); c.reporting && c.reported.Load() < c.asked.Load(); time.Sleep(time.Millisecond) {
		if err, ok := c.failed.Load().(error); ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d reports were answered within %s", c.reported.Load(), c.asked.Load(), patience)
		}
	}
	return nil
}

var nullAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1024\r\n\r\n" + string(bytes.Repeat([]byte{' '}, 1024)))

const namespace = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4"

const submitRsp = `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><mm7:TransactionID xmlns:mm7="` + namespace + `" env:mustUnderstand="1">%[1]s</mm7:TransactionID></env:Header><env:Body><SubmitRsp xmlns="` + namespace + `"><MM7Version>6.8.0</MM7Version><Status><StatusCode>1000</StatusCode><StatusText>Success</StatusText></Status><MessageID>%[2]s</MessageID></SubmitRsp></env:Body></env:Envelope>`

const reportReq = `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><mm7:TransactionID xmlns:mm7="` + namespace + `" env:mustUnderstand="1">r-%[1]s</mm7:TransactionID></env:Header><env:Body><DeliveryReportReq xmlns="` + namespace + `"><MM7Version>6.8.0</MM7Version><MessageID>%[1]s</MessageID><Recipient><Number>+12025550111</Number></Recipient><Sender><Number>+12025550100</Number></Sender><Date>2026-01-02T03:05:00Z</Date><MMStatus>Retrieved</MMStatus></DeliveryReportReq></env:Body></env:Envelope>`

// serve answers requests on one connection.
func (c *carrier) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 128<<10)
	head := make([]byte, 2048)
	for {
		length, err := header(in)
		if err != nil {
			return
		}
		n := min(length, len(head))
		if _, err := io.ReadFull(in, head[:n]); err != nil {
			return
		}
		if _, err := in.Discard(length - n); err != nil {
			return
		}
		if err := c.answer(conn, head[:n]); err != nil {
			return
		}
	}
}

func (c *carrier) answer(conn net.Conn, head []byte) error {
	if !c.reporting {
		_, err := conn.Write(nullAnswer)
		return err
	}
	_, rest, _ := bytes.Cut(head, []byte(`mustUnderstand="1">`))
	id, _, _ := bytes.Cut(rest, []byte("<"))
	transaction := string(id)
	// a MessageID without the order of time, as an MMSC would make it
	message := transaction[len(transaction)-12:] + transaction
	body := fmt.Appendf(nil, submitRsp, transaction, message)
	out := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=\"utf-8\"\r\nContent-Length: %d\r\n\r\n", len(body))
	c.asked.Add(1)
	_, err := conn.Write(append(out, body...))
	c.queue <- message
	return err
}

// reportTo starts the reporters.
func (c *carrier) reportTo(addr string) {
	c.reporting = true
	for range 16 {
		go func() {
			r := reporter{addr: addr}
			for message := range c.queue {
				if err := r.report(message); err != nil {
					c.failed.Store(err)
					return
				}
				c.reported.Add(1)
			}
		}()
	}
}

// reporter posts reports on one connection, kept while the gateway keeps it.
type reporter struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

func (r *reporter) report(message string) error {
	body := fmt.Appendf(nil, reportReq, message)
	req := fmt.Appendf(nil, "POST /mm7/sink HTTP/1.1\r\nHost: %s\r\nContent-Type: text/xml; charset=\"utf-8\"\r\nSOAPAction: \"\"\r\nContent-Length: %d\r\n\r\n", r.addr, len(body))
	status, answer, err := r.post(append(req, body...))
	if err != nil { // the gateway may close what was idle: once more, on a new one
		r.conn = nil
		status, answer, err = r.post(append(req, body...))
	}
	if err == nil && (status != 200 || !bytes.Contains(answer, []byte("1000"))) {
		err = fmt.Errorf("a report was answered %d: %s", status, answer)
	}
	return err
}

func (r *reporter) post(req []byte) (status int, answer []byte, err error) {
	if r.conn == nil {
		if r.conn, err = net.Dial("tcp", r.addr); err != nil {
			return 0, nil, err
		}
		r.in = bufio.NewReaderSize(r.conn, 16<<10)
	}
	if _, err = r.conn.Write(req); err != nil {
		return 0, nil, err
	}
	return response(r.in)
}

// header reads a message's head and gives its Content-Length.
func header(in *bufio.Reader) (int, error) {
	length := -1
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && len(name) == 14 && textproto.CanonicalMIMEHeaderKey(string(name)) == "Content-Length" {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("a message without Content-Length")
	}
	return length, nil
}

// response reads an answer.
func response(in *bufio.Reader) (status int, body []byte, err error) {
	line, err := in.Peek(12)
	if err != nil {
		return 0, nil, err
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, err := header(in)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(in, body)
	return status, body, err
}

// requests makes submissions that differ in their pictures, so that nothing is
// saved by knowing the bytes already.
type requests struct {
	template []byte
	stamps   []int // where each picture's number stands
	next     atomic.Int64
}

const boundary = "benchboundary7MA4YWxkTrZu0gW"

func newRequests(w work, path string) *requests {
	var body bytes.Buffer
	r := &requests{}
	part := func(header string, content []byte) {
		fmt.Fprintf(&body, "--%s\r\n%s\r\n\r\n", boundary, header)
		body.Write(content)
		body.WriteString("\r\n")
	}
	part("Content-Disposition: form-data; name=\"message\"\r\nContent-Type: application/json",
		[]byte(`{"from":"+12025550100","to":["+12025550111"],"text":"Thanks for coming by!"}`))
	for i := range w.images {
		picture, at := picture(w.size)
		start := body.Len()
		part(fmt.Sprintf("Content-Disposition: form-data; name=\"image\"; filename=\"p%d.jpg\"\r\nContent-Type: image/jpeg", i), picture)
		r.stamps = append(r.stamps, start+bytes.Index(body.Bytes()[start:], []byte("\r\n\r\n"))+4+at)
	}
	fmt.Fprintf(&body, "--%s--\r\n", boundary)
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n", path, boundary, body.Len())
	for i := range r.stamps {
		r.stamps[i] += len(head)
	}
	r.template = append(head, body.Bytes()...)
	return r
}

// stamp makes every picture of a request one never sent before.
func (r *requests) stamp(request []byte) {
	n := r.next.Add(1)
	for i, at := range r.stamps {
		copy(request[at:at+16], fmt.Appendf(nil, "%016x", n*16+int64(i)))
	}
}

// picture is a real JPEG of about the size asked for, with a comment segment
// for its number; at is where the number stands.
func picture(size int) (b []byte, at int) {
	if pictures[size] == nil {
		side := 64
		sample := len(noise(side))
		pictures[size] = noise(int(float64(side) * math.Sqrt(float64(size)/float64(sample))))
	}
	b = append([]byte{0xFF, 0xD8, 0xFF, 0xFE, 0, 18}, make([]byte, 16)...)
	return append(b, pictures[size][2:]...), 6
}

// pictures are those made so far, by size.
var pictures = map[int][]byte{}

// noise is a square JPEG that no compression makes small.
func noise(side int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = byte(rand.IntN(256))
	}
	var out bytes.Buffer
	jpeg.Encode(&out, img, &jpeg.Options{Quality: 80})
	return out.Bytes()
}
