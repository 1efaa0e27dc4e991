package mm7

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Contiguous is the length up to which [Client] sends a body as one buffer: one
// write is cheaper than many, and a copy of so little costs next to nothing.
const Contiguous = 64 << 10

// Body is the complete HTTP body of a request: small generated pieces between the
// media as the caller gave them. It may be written any number of times, from one
// goroutine at a time as far as the caller's Open allows.
type Body struct {
	// ContentType is the HTTP header of that name.
	ContentType string

	pieces []piece
	length int64
}

// piece is bytes as they stand, or a part that is opened or encoded when written.
type piece struct {
	data   []byte
	part   *Part
	base64 bool
}

func (b *Body) add(p piece) {
	b.pieces = append(b.pieces, p)
	b.length += int64(len(p.data))
}

func (b *Body) addPart(p *Part, cte CTE) {
	switch {
	case cte == CTEBase64:
		b.pieces = append(b.pieces, piece{part: p, base64: true})
		b.length += base64Len(p.Len())
	case p.Open != nil:
		b.pieces = append(b.pieces, piece{part: p})
		b.length += p.Len()
	default:
		b.add(piece{data: p.Data})
	}
}

// Len is the number of bytes the body has, known without opening a part: the exact
// Content-Length.
func (b *Body) Len() int64 { return b.length }

// Bytes is the whole body in one buffer.
func (b *Body) Bytes() ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, b.length+bytes.MinRead)) // else ReadFrom would copy it all to look for the end
	if _, err := b.WriteTo(buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// WriteTo writes the body; see [Body.Reader].
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	r, err := b.Reader()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.Copy(w, r)
}

// Reader streams the body. Every part is opened before anything is given, so that a
// missing one is known before a byte is sent; closing the reader closes them. A part
// that gives more or fewer bytes than its Size is an error: a request must not be
// completed with other bytes than announced.
func (b *Body) Reader() (io.ReadCloser, error) {
	r := &bodyReader{sources: make([]io.Reader, len(b.pieces))}
	for i, p := range b.pieces {
		src := io.Reader(bytes.NewReader(p.data))
		if p.part != nil {
			var err error
			if src, err = r.open(p.part); err != nil {
				r.Close()
				return nil, err
			}
		}
		if p.base64 {
			src = newBase64Reader(src)
		}
		r.sources[i] = src
	}
	return r, nil
}

// bodyReader reads source after source.
type bodyReader struct {
	sources []io.Reader
	files   []io.Closer
}

func (r *bodyReader) open(p *Part) (io.Reader, error) {
	if p.Open == nil {
		return bytes.NewReader(p.Data), nil
	}
	file, err := p.Open()
	if err != nil {
		return nil, fmt.Errorf("open a %s part of %d bytes: %w", p.ContentType, p.Size, err)
	}
	r.files = append(r.files, file)
	return &exactReader{src: file, left: p.Size, size: p.Size}, nil
}

func (r *bodyReader) Read(p []byte) (int, error) {
	for len(r.sources) > 0 {
		n, err := r.sources[0].Read(p)
		if err == io.EOF {
			r.sources, err = r.sources[1:], nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// Close closes the parts.
func (r *bodyReader) Close() error {
	var err error
	for _, f := range r.files {
		err = errors.Join(err, f.Close())
	}
	r.files = nil
	return err
}

// exactReader gives exactly size bytes or an error.
type exactReader struct {
	src        io.Reader
	left, size int64
}

func (r *exactReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		var one [1]byte
		if n, _ := io.ReadFull(r.src, one[:]); n > 0 {
			return 0, fmt.Errorf("a part has more than the %d bytes it was announced with", r.size)
		}
		return 0, io.EOF
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		return n, fmt.Errorf("a part ended %d bytes before the %d it was announced with: %w", r.left, r.size, io.ErrUnexpectedEOF)
	}
	if err == io.EOF {
		err = nil // the next call looks whether there is more
	}
	return n, err
}
