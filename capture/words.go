package capture

import (
	"strconv"
	"strings"
)

// signs are what ends a word without a space, longer ones first.
var signs = []string{"&&", "||", "!=", "==", "<=", ">=", "(", ")", "[", "]", "!", "=", "<", ">", "&", "|"}

// spoken are signs that are words of the syntax, too.
var spoken = map[string]string{"&&": "and", "||": "or", "==": "="}

// split cuts an expression into words: at spaces, and around signs.
func split(text string) (words []string) {
	word := func(s string) {
		if s != "" {
			words = append(words, s)
		}
	}
	from := 0
	for i := 0; i < len(text); {
		sign := signAt(text[i:])
		switch {
		case sign != "":
			word(text[from:i])
			if s, ok := spoken[sign]; ok {
				sign, i = s, i+len(sign)-len(s)
			}
			word(sign)
			i += len(sign)
			from = i
		case strings.ContainsRune(" \t\r\n", rune(text[i])):
			word(text[from:i])
			i++
			from = i
		default:
			i++
		}
	}
	word(text[from:])
	return words
}

func signAt(text string) string {
	for _, s := range signs {
		if strings.HasPrefix(text, s) {
			return s
		}
	}
	return ""
}

// short quotes a word, cut to a length that fits a line.
func short(word string) string {
	if r := []rune(word); len(r) > 40 {
		return strconv.Quote(string(r[:40])) + "..."
	}
	return strconv.Quote(word)
}
