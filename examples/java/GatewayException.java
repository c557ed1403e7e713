import java.util.LinkedHashMap;
import java.util.Map;

/** An activity's request that failed for good, or as often as it may be tried. */
final class GatewayException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** The problem's code, such as {@code sql_error}; {@code unreachable} where no answer came. */
    final String code;
    /** What happened, in words. */
    final String detail;
    /** The HTTP status; 0 where no answer came. */
    final int status;
    /** Whether the same request, with the same activity ID, may yet succeed. */
    final boolean retryable;
    /** {@code no}, {@code yes} or {@code unknown}: whether the last try's effect was kept. */
    final String committed;
    /** The number of the last try. */
    final int attempt;
    /** The whole problem, with {@code sqlState}, {@code constraint}, {@code errors} … where they apply. */
    final transient Map<?, ?> problem;

    GatewayException(String code, String detail, int status, boolean retryable, int attempt, Map<?, ?> problem) {
        super(code + ": " + detail + " (attempt " + attempt + ")");
        this.code = code;
        this.detail = detail;
        this.status = status;
        this.retryable = retryable;
        this.committed = problem.get("committed") instanceof String committed ? committed : "unknown";
        this.attempt = attempt;
        this.problem = problem;
    }

    Map<String, Object> members() {
        Map<String, Object> members = new LinkedHashMap<>();
        members.put("code", code);
        members.put("detail", detail);
        members.put("status", status);
        members.put("retryable", retryable);
        members.put("committed", committed);
        members.put("attempt", attempt);
        members.put("problem", problem);
        return members;
    }
}
