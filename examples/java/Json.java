import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON, which the JDK has none of. Where your project has Jackson or Gson, put its two calls in place of {@link #read} and
 * {@link #write}, and let it read numbers as {@link BigDecimal}: a double rounds what bigint and numeric hold.
 */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /**
     * Map, List, String, BigDecimal, Boolean or null.
     *
     * @throws IllegalArgumentException the text is no JSON
     */
    static Object read(String text) {
        Json json = new Json(text);
        Object value = json.value();
        if (json.peek() != 0)
            throw json.fault();
        return value;
    }

    /** What is no JSON value is written as its text, as PostgreSQL reads it: a UUID, a date, NaN. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value == null || value instanceof Boolean
                || value instanceof Number number && Double.isFinite(number.doubleValue())) {
            out.append(value);
        } else if (value instanceof Map<?, ?> map) {
            String separator = "{";
            for (Map.Entry<?, ?> member : map.entrySet()) {
                out.append(separator);
                quote(member.getKey().toString(), out);
                write(member.getValue(), out.append(':'));
                separator = ",";
            }
            out.append(map.isEmpty() ? "{}" : "}");
        } else if (value instanceof Collection<?> list) {
            String separator = "[";
            for (Object item : list) {
                write(item, out.append(separator));
                separator = ",";
            }
            out.append(list.isEmpty() ? "[]" : "]");
        } else {
            quote(value.toString(), out);
        }
    }

    private static void quote(String value, StringBuilder out) {
        out.append('"');
        for (char c : value.toCharArray()) {
            if (c == '"' || c == '\\')
                out.append('\\').append(c);
            else if (c < ' ' || c > '~')
                out.append(String.format("\\u%04x", (int) c));
            else
                out.append(c);
        }
        out.append('"');
    }

    private Object value() {
        switch (peek()) {
            case '{':
                Map<String, Object> map = new LinkedHashMap<>();
                if (!opensEmpty('}')) {
                    do {
                        String name = string();
                        expect(':');
                        map.put(name, value());
                    } while (goesOn('}'));
                }
                return map;
            case '[':
                List<Object> list = new ArrayList<>();
                if (!opensEmpty(']')) {
                    do {
                        list.add(value());
                    } while (goesOn(']'));
                }
                return list;
            case '"':
                return string();
            default:
                return bare();
        }
    }

    private Object bare() {
        int start = at;
        while (at < text.length() && ",:]} \t\r\n".indexOf(text.charAt(at)) < 0)
            at++;
        String token = text.substring(start, at);
        switch (token) {
            case "null":
                return null;
            case "true":
            case "false":
                return Boolean.valueOf(token);
            default:
                try {
                    return new BigDecimal(token);
                } catch (NumberFormatException e) {
                    throw fault();
                }
        }
    }

    private String string() {
        expect('"');
        StringBuilder value = new StringBuilder();
        for (char c = next(); c != '"'; c = next())
            value.append(c == '\\' ? escaped(next()) : c);
        return value.toString();
    }

    private char escaped(char c) {
        int which = "\"\\/bfnrt".indexOf(c);
        if (which >= 0)
            return "\"\\/\b\f\n\r\t".charAt(which);
        if (c != 'u' || at + 4 > text.length())
            throw fault();
        at += 4;
        try {
            return (char) Integer.parseInt(text.substring(at - 4, at), 16);
        } catch (NumberFormatException e) {
            throw fault();
        }
    }

    private boolean opensEmpty(char close) {
        at++;
        boolean empty = peek() == close;
        if (empty)
            at++;
        return empty;
    }

    private boolean goesOn(char close) {
        boolean more = peek() == ',';
        expect(more ? ',' : close);
        return more;
    }

    private void expect(char c) {
        if (peek() != c)
            throw fault();
        at++;
    }

    /** The next character that is no space, which stays; 0 at the end. */
    private char peek() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0)
            at++;
        return at < text.length() ? text.charAt(at) : 0;
    }

    private char next() {
        if (at == text.length())
            throw fault();
        return text.charAt(at++);
    }

    private IllegalArgumentException fault() {
        return new IllegalArgumentException("no JSON at character " + at);
    }
}
