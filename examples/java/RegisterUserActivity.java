import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

/**
 * An activity that writes: it registers a user. The gateway records its answer under the activity ID, in the transaction of the
 * write: the plain INSERT below runs once, however often the engine runs the activity. A user whom another activity has made is
 * an error, {@code sql_error}, whose problem names the {@code constraint}.
 */
final class RegisterUserActivity {
    private RegisterUserActivity() {
    }

    /** The activity; gives the user's ID, the same at each try. */
    static long registerUser(String activityId, String email, String name, int attempt) throws InterruptedException {
        Map<?, ?> answer = Gateway.run("execute", Map.of(
            "activityId", activityId,
            "attempt", attempt,
            "sql", "INSERT INTO users (email, name) VALUES (:email, :name) RETURNING id",
            "parameters", Map.of("email", email, "name", name)));
        Map<?, ?> row = (Map<?, ?>) ((List<?>) answer.get("rows")).get(0);
        return ((BigDecimal) row.get("id")).longValueExact();
    }

    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length != 2) {
            System.err.println("usage: RegisterUserActivity EMAIL NAME");
            System.exit(2);
        }
        try {
            System.out.println(registerUser("example-run-1/register/" + arguments[0], arguments[0], arguments[1], 1));
        } catch (GatewayException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
