package picture

import "encoding/binary"

// The markers of ITU-T T.81 table B.1 that the way to the frame header meets.
const (
	jpegTEM  = 0x01
	jpegSOF0 = 0xc0
	jpegDHT  = 0xc4 // in the range of the frame headers, but none
	jpegJPG  = 0xc8
	jpegDAC  = 0xcc
	jpegSOFf = 0xcf
	jpegRST0 = 0xd0
	jpegSOI  = 0xd8
	jpegEOI  = 0xd9
	jpegSOS  = 0xda
)

// inspectJPEG walks the segments to the first frame header (T.81 B.2.2). A marker must stand where one is due: bytes
// between segments, which some decoders skip, are an error here.
func inspectJPEG(b []byte) (Info, error) {
	info := Info{Type: JPEG}
	for at := 2; ; {
		marker, body, err := jpegMarker(b, at)
		if err != nil {
			return info, err
		}
		switch {
		case marker == jpegEOI || marker == jpegSOS:
			return info, corrupt(at, "JPEG has no frame header before marker %#02x", marker)
		case marker == jpegTEM || marker >= jpegRST0 && marker <= jpegSOI:
			at = body // markers that stand alone, without a length
			continue
		}
		if len(b)-body < 2 {
			return info, corrupt(at, "JPEG ends inside segment %#02x", marker)
		}
		length := int(binary.BigEndian.Uint16(b[body:]))
		if length < 2 || length > len(b)-body {
			return info, corrupt(at, "JPEG segment %#02x claims %d bytes of %d", marker, length, len(b)-body)
		}
		if isFrameHeader(marker) {
			return jpegFrame(info, b[body+2:body+length], at)
		}
		at = body + length
	}
}

// jpegMarker reads the marker at a place, with any fill bytes before it (T.81 B.1.1.2), and says where it ends.
func jpegMarker(b []byte, at int) (marker byte, end int, err error) {
	if at >= len(b) {
		return 0, 0, corrupt(at, "JPEG ends before its frame header")
	}
	if b[at] != 0xff {
		return 0, 0, corrupt(at, "JPEG has %#02x where a marker is due", b[at])
	}
	for end = at; end < len(b); end++ {
		if b[end] == 0xff {
			continue
		}
		if b[end] == 0 {
			return 0, 0, corrupt(at, "JPEG has a stuffed zero where a marker is due")
		}
		return b[end], end + 1, nil
	}
	return 0, 0, corrupt(at, "JPEG ends inside a marker")
}

func isFrameHeader(m byte) bool {
	return m >= jpegSOF0 && m <= jpegSOFf && m != jpegDHT && m != jpegJPG && m != jpegDAC
}

// jpegFrame reads precision, lines, samples a line and the components of a frame header. Zero lines means that the
// number comes after the first scan (DNL, T.81 B.2.5): phones do not show such files, so they are refused.
func jpegFrame(info Info, f []byte, at int) (Info, error) {
	if len(f) < 6 || len(f) != 6+3*int(f[5]) || f[5] == 0 {
		return info, corrupt(at, "JPEG frame header of %d bytes does not fit its components", len(f))
	}
	height, width := int(binary.BigEndian.Uint16(f[1:])), int(binary.BigEndian.Uint16(f[3:]))
	if width == 0 || height == 0 {
		return info, corrupt(at, "JPEG is %d by %d pixels", width, height)
	}
	info.Width, info.Height, info.Frames = width, height, 1
	return info, nil
}
