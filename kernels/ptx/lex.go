package ptx

import "strings"

// token is a word, a number, a string or one character of punctuation.
type token struct {
	text string
	kind byte // 'w', '0', '"' or the character itself; 0 at the end of the text
	line int
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '%' || c == '.'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// lex cuts a module into tokens. An opcode with all its modifiers is one word (ld.global.L1::no_allocate.f32), and so is a
// special register (%tid.x). Every character that means nothing becomes punctuation, for the parser to refuse.
func lex(s string) []token {
	out := make([]token, 0, len(s)/4)
	line := 1
	for i := 0; i < len(s); {
		c, start := s[i], i
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case strings.HasPrefix(s[i:], "//"):
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				return append(out, token{"/*", '/', line}, token{line: line})
			}
			line += strings.Count(s[i:i+2+end], "\n")
			i += end + 4
		case c == '"':
			for i++; i < len(s) && s[i] != '"' && s[i] != '\n'; i++ {
			}
			i = min(i+1, len(s))
			out = append(out, token{s[start:i], '"', line})
		case letter(c):
			for i < len(s) && (letter(s[i]) || digit(s[i]) || pathSeparator(s, i)) {
				if s[i] == ':' {
					i++
				}
				i++
			}
			out = append(out, token{s[start:i], 'w', line})
		case digit(c):
			i = numberEnd(s, i)
			out = append(out, token{s[start:i], '0', line})
		default:
			i++
			out = append(out, token{s[start:i], c, line})
		}
	}
	return append(out, token{line: line})
}

// pathSeparator tells the :: inside .L1::no_allocate from the : after a label.
func pathSeparator(s string, i int) bool {
	return s[i] == ':' && i+2 < len(s) && s[i+1] == ':' && (letter(s[i+2]) || digit(s[i+2]))
}

// numberEnd finds the end of a literal: 12, 0x1FU, 0b101, 0f3F800000, 0d3FF0000000000000, 1.5e-3.
func numberEnd(s string, i int) int {
	exact := len(s) > i+1 && s[i] == '0' && strings.IndexByte("xXfFdDbB", s[i+1]) >= 0
	for ; i < len(s); i++ {
		exponent := !exact && (s[i] == '+' || s[i] == '-') && (s[i-1] == 'e' || s[i-1] == 'E')
		if !digit(s[i]) && !(letter(s[i]) && s[i] != '%' && s[i] != '$') && !exponent {
			break
		}
	}
	return i
}
