using Gateway.Api.Errors;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>The control role's sessions, as they are used for one question each.</summary>
/// <param name="source">Opens and pools them.</param>
/// <param name="clock">The clock that the limits run by.</param>
internal sealed class ControlSessions(NpgsqlDataSource source, TimeProvider clock)
{
    /// <summary>Maximum time for one question.</summary>
    public static readonly TimeSpan AskTime = TimeSpan.FromSeconds(5);

    /// <summary>Asks in one of them, and once more in a new one where the server had closed the first: after its restart, most often.</summary>
    /// <param name="ask">Asks; what it does may be done twice.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="limit">Maximum time for one try; <see cref="AskTime"/> where it is not given.</param>
    /// <exception cref="NpgsqlException">The server can't be reached, refuses, or does not answer in time.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellation"/> came first.</exception>
    public async Task<T> AskAsync<T>(
        Func<NpgsqlConnection, CancellationToken, Task<T>> ask, CancellationToken cancellation, TimeSpan? limit = null)
    {
        for (var isSecond = false; ; isSecond = true)
        {
            T answer = default!;
            try
            {
                await BoundedWait.RunAsync(
                    async ending =>
                    {
                        await using var session = await source.OpenConnectionAsync(ending);
                        answer = await ask(session, ending);
                    },
                    limit ?? AskTime, clock, cancellation);
                return answer;
            }
            catch (NpgsqlException error) when (!isSecond && IsClosed(error))
            {
                // Those that are idle are most likely closed as well.
                source.Clear();
            }
            catch (TimeoutException error)
            {
                throw new NpgsqlException("The server does not answer.", error);
            }
        }
    }

    private static bool IsClosed(NpgsqlException error) => error is not PostgresException refusal || PostgresFailure.EndsSession(refusal);
}
