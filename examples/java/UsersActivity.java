import java.util.List;
import java.util.Map;

/** An activity that reads all users. No driver and no DSN here: both are the gateway's. */
final class UsersActivity {
    private UsersActivity() {
    }

    /**
     * The activity. Its ID comes from the workflow: one made in here would differ at each try.
     *
     * @param attempt which try of the activity this is, as the engine counts
     */
    static List<?> listUsers(String activityId, int attempt) throws InterruptedException {
        Map<?, ?> answer = Gateway.run("query", Map.of(
            "activityId", activityId,
            "attempt", attempt,
            "sql", "SELECT * FROM users"));
        return (List<?>) answer.get("rows");
    }

    /** This stands in for the workflow: the same run and step have the same ID, however often the step is run. */
    public static void main(String[] arguments) throws InterruptedException {
        try {
            for (Object user : listUsers("example-run-1/list-users", 1))
                System.out.println(Json.write(user));
        } catch (GatewayException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }
}
