package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A record is, in little endian:
//
//	 0  magic "MMSr"
//	 4  kind, 1 = picture; three zero bytes
//	 8  length of the body, 4 bytes
//	12  crc32c of the body
//	16  sequence number of the segment, 8 bytes
//	24  id, 32 bytes
//	56  zero, 4 bytes
//	60  crc32c of bytes 0 to 59
//	64  body
//	 +  crc32c of the header again, end mark "rSMM", zeros up to the next multiple of 64
//
// A segment file that is used again gets a new number and name, so that records of its earlier life are none. The
// body's checksum stands in the header and the header's behind the body: neither can be taken for another record's.
const (
	recordAlign = 64
	headerSize  = 64
	tailSize    = 8
	recordMagic = "MMSr"
	recordEnd   = "rSMM"
	kindPicture = 1

	maxSegment = 1 << 30 // a record's length is four bytes, and must add up without a thought
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what a record says of itself.
type header struct {
	kind   byte
	length int64
	sum    uint32
	seq    uint64
	id     ID
}

// recordSize is the bytes that a body of a length takes in a segment.
func recordSize(length int64) int64 {
	return (bareSize(length) + recordAlign - 1) / recordAlign * recordAlign
}

// bareSize is recordSize without the zeros at the end.
func bareSize(length int64) int64 { return headerSize + length + tailSize }

// frame appends a record's header and what follows its body to b, and gives both.
func (h header) frame(b []byte) (grown, head, tail []byte) {
	start := len(b)
	b = append(b, recordMagic...)
	b = append(b, h.kind, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.length))
	b = binary.LittleEndian.AppendUint32(b, h.sum)
	b = binary.LittleEndian.AppendUint64(b, h.seq)
	b = append(b, h.id[:]...)
	b = append(b, 0, 0, 0, 0)
	sum := crc32.Checksum(b[start:], castagnoli)
	b = binary.LittleEndian.AppendUint32(b, sum)

	behind := len(b)
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = append(b, recordEnd...)
	b = append(b, make([]byte, recordSize(h.length)-bareSize(h.length))...)
	return b, b[start:behind:behind], b[behind:len(b):len(b)]
}

// parseHeader reads the header of a record of segment seq.
func parseHeader(b []byte, seq uint64) (header, error) {
	if len(b) < headerSize || string(b[:4]) != recordMagic {
		return header{}, errors.New("no record begins here")
	}
	if crc32.Checksum(b[:60], castagnoli) != binary.LittleEndian.Uint32(b[60:]) {
		return header{}, errors.New("header has a wrong checksum")
	}
	h := header{
		kind:   b[4],
		length: int64(binary.LittleEndian.Uint32(b[8:])),
		sum:    binary.LittleEndian.Uint32(b[12:]),
		seq:    binary.LittleEndian.Uint64(b[16:]),
		id:     ID(b[24:56]),
	}
	if h.seq != seq {
		return header{}, fmt.Errorf("header is of segment %d", h.seq)
	}
	return h, nil
}

// parseRecord reads a record without the zeros at its end and gives its body, a slice of b.
func parseRecord(b []byte, seq uint64) (header, []byte, error) {
	h, err := parseHeader(b, seq)
	if err != nil {
		return h, nil, err
	}
	if int64(len(b)) != bareSize(h.length) {
		return h, nil, fmt.Errorf("record of %d bytes holds a body of %d", len(b), h.length)
	}
	end := headerSize + int(h.length)
	body, tail := b[headerSize:end:end], b[end:end+tailSize]
	if string(tail[:4]) != string(b[60:64]) || string(tail[4:]) != recordEnd {
		return h, nil, errors.New("end mark is missing")
	}
	if crc32.Checksum(body, castagnoli) != h.sum {
		return h, nil, errors.New("body has a wrong checksum")
	}
	return h, body, nil
}
