package mm7

import (
	"encoding/base64"
	"io"
)

// A base64 line has 76 columns, which hold 57 bytes (RFC 2045 section 6.8).
const (
	lineBytes   = 57
	lineColumns = 76
	lineCount   = 128 // lines encoded at once
)

// base64Len is the length of n bytes in base64 lines, CRLF between but not after.
func base64Len(n int64) int64 {
	columns := (n + 2) / 3 * 4
	if columns == 0 {
		return 0
	}
	return columns + (columns-1)/lineColumns*2
}

// base64Reader encodes what it reads in lines of 76 columns.
type base64Reader struct {
	src   io.Reader
	raw   []byte
	out   []byte // encoded, not yet given
	buf   []byte
	lines bool // a line was written before
	err   error
}

func newBase64Reader(src io.Reader) io.Reader {
	return &base64Reader{
		src: src,
		raw: make([]byte, lineBytes*lineCount),
		buf: make([]byte, 0, (lineColumns+2)*lineCount),
	}
}

func (r *base64Reader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// fill encodes the next block. Only the last block is not whole lines, since
// io.ReadFull stops short at the end alone.
func (r *base64Reader) fill() {
	n, err := io.ReadFull(r.src, r.raw)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	r.err = err
	r.out = r.buf[:0]
	for line := r.raw[:n]; len(line) > 0; {
		k := min(lineBytes, len(line))
		if r.lines {
			r.out = append(r.out, '\r', '\n')
		}
		r.out = base64.StdEncoding.AppendEncode(r.out, line[:k])
		r.lines = true
		line = line[k:]
	}
}
