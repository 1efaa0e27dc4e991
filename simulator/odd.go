package simulator

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"sync"

	"mmsgw/mm7"
)

// The answers here follow a message that was accepted, and tell it in a way that no
// gateway should understand, but for the last.

const (
	bombBytes    = 128 << 20 // of the answer gzip-bomb, inflated
	endlessBytes = 64 << 20  // of the answer endless-answer, where nobody hangs up before
	deepLevels   = 5000      // of the answer deep-answer: it is short enough to be read whole
)

// bomb is blanks, compressed: members of one MiB, one after the other, are one stream.
var bomb = sync.OnceValue(func() []byte {
	const member = 1 << 20
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(bytes.Repeat([]byte(" "), member)) // a buffer takes it
	_ = z.Close()
	return bytes.Repeat(b.Bytes(), bombBytes/member)
})

func (m *MMSC) explode(w http.ResponseWriter, _ *arrival) {
	w.Header().Set("Content-Encoding", "gzip")
	m.write(w, http.StatusOK, bomb())
}

// goOn begins as an answer and goes on in blanks until the gateway hangs up.
func (m *MMSC) goOn(w http.ResponseWriter, s *arrival) {
	w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
	begin, _, _ := strings.Cut(string(m.success(s)), ">1000</")
	blanks := bytes.Repeat([]byte(" "), 32<<10)
	_, err := w.Write([]byte(begin))
	for sent := 0; err == nil && sent < endlessBytes && m.patience.Err() == nil; sent += len(blanks) {
		_, err = w.Write(blanks)
	}
}

func (m *MMSC) binary(w http.ResponseWriter, _ *arrival) {
	body := make([]byte, 4<<10)
	for i := range body {
		body[i] = byte(i * 7)
	}
	m.write(w, http.StatusOK, body)
}

// declared is a sound answer with a DOCTYPE, whose entity is the status code.
func (m *MMSC) declared(w http.ResponseWriter, s *arrival) {
	m.rewritten(w, s, "?>\n", "?>\n<!DOCTYPE env:Envelope [<!ENTITY code \"1000\"><!ENTITY file SYSTEM \"file:///etc/hostname\">]>\n", ">1000<", ">&code;<")
}

func (m *MMSC) deep(w http.ResponseWriter, s *arrival) {
	m.rewritten(w, s, "<Status>", strings.Repeat("<d>", deepLevels)+"<Status>", "</Status>", "</Status>"+strings.Repeat("</d>", deepLevels))
}

func (m *MMSC) twice(w http.ResponseWriter, s *arrival) {
	declaration, root, _ := strings.Cut(string(m.success(s)), "\n")
	m.write(w, http.StatusOK, []byte(declaration+"\n"+root+root))
}

// rewritten writes the sound answer with texts replaced, by pairs.
func (m *MMSC) rewritten(w http.ResponseWriter, s *arrival, pairs ...string) {
	d := m.o.Dialect
	d.XMLStyle = mm7.StyleDefaultNamespace // in which the pairs are written
	body := submitRsp(d, s.record, mm7.Status{Code: 1000}, s.record.MessageID)
	m.write(w, http.StatusOK, []byte(strings.NewReplacer(pairs...).Replace(string(body))))
}

// foreign is a sound answer but for its namespace.
func (m *MMSC) foreign(w http.ResponseWriter, s *arrival) {
	d := m.o.Dialect
	d.Namespace = "urn:example:mm7"
	m.write(w, http.StatusOK, submitRsp(d, s.record, mm7.Status{Code: 1000}, s.record.MessageID))
}

// otherTransaction is a sound answer to another request than was made.
func (m *MMSC) otherTransaction(w http.ResponseWriter, s *arrival) {
	other := *s.record
	other.TransactionID = m.o.NewID()
	m.write(w, http.StatusOK, submitRsp(m.o.Dialect, &other, mm7.Status{Code: 1000}, s.record.MessageID))
}
