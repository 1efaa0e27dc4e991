package picture

import "encoding/binary"

// Block labels of GIF89a appendix A.
const (
	gifExtension = 0x21
	gifImage     = 0x2c
	gifTrailer   = 0x3b
)

// inspectGIF reads the logical screen and walks the blocks to the trailer, counting images.
func inspectGIF(b []byte) (Info, error) {
	info := Info{Type: GIF}
	if len(b) < 13 {
		return info, corrupt(6, "GIF ends inside its logical screen")
	}
	width, height := int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	if width == 0 || height == 0 {
		return info, corrupt(6, "GIF is %d by %d pixels", width, height)
	}
	frames, err := gifFrames(b, 13+gifColours(b[10]))
	if err != nil {
		return info, err
	}
	info.Width, info.Height, info.Frames = width, height, frames
	return info, nil
}

// gifFrames counts the image blocks from a place behind the global colour table (GIF89a section 12 and appendix B).
func gifFrames(b []byte, at int) (frames int, err error) {
	for at < len(b) {
		switch b[at] {
		case gifTrailer:
			if frames == 0 {
				return 0, corrupt(at, "GIF holds no image")
			}
			return frames, nil
		case gifExtension: // introducer, label, sub-blocks
			at, err = gifSubBlocks(b, at+2)
		case gifImage: // descriptor of 10 bytes, local colours, code size, sub-blocks
			if len(b)-at < 10 {
				return 0, corrupt(at, "GIF ends inside an image descriptor")
			}
			frames++
			at, err = gifSubBlocks(b, at+10+gifColours(b[at+9])+1)
		default:
			return 0, corrupt(at, "GIF has %#02x where a block is due", b[at])
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, corrupt(len(b), "GIF ends without its trailer")
}

// gifSubBlocks skips blocks of 1 to 255 bytes until the empty one, and says where it ends.
func gifSubBlocks(b []byte, at int) (int, error) {
	for at < len(b) {
		size := int(b[at])
		at += 1 + size
		if size == 0 {
			return at, nil
		}
	}
	return 0, corrupt(len(b), "GIF ends inside a data block")
}

// gifColours is the length in bytes of the colour table that a packed field announces.
func gifColours(packed byte) int {
	if packed&0x80 == 0 {
		return 0
	}
	return 3 << (packed&7 + 1)
}
