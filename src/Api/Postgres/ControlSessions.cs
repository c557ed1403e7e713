using Gateway.Api.Dsns;
using Gateway.Api.Errors;
using Npgsql;

namespace Gateway.Api.Postgres;

/// <summary>Runs single queries in sessions of the control role.</summary>
/// <param name="source">Opens and pools the sessions.</param>
/// <param name="clock">The clock for the time limits.</param>
/// <param name="askTime">The default maximum time for one try of a query; null for <see cref="AskTime"/>.</param>
internal sealed class ControlSessions(SessionSource source, TimeProvider clock, TimeSpan? askTime = null)
{
    /// <summary>Default maximum time for one try of a query, in a gateway that serves.</summary>
    public static readonly TimeSpan AskTime = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Runs the query in a session. Runs it once more in a new session if the server had closed the first one, most
    /// often by a restart.
    /// </summary>
    /// <param name="ask">Runs the query. It may be called twice.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="limit">The maximum time for one try; null for the default.</param>
    /// <param name="host">The host of several that is asked; null for the one that the DSN chooses.</param>
    /// <exception cref="NpgsqlException">The server can't be reached, refuses, or does not answer in time.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellation"/> came first.</exception>
    public async Task<T> AskAsync<T>(
        Func<NpgsqlConnection, CancellationToken, Task<T>> ask, CancellationToken cancellation, TimeSpan? limit = null,
        DsnHost? host = null)
    {
        for (var isSecond = false; ; isSecond = true)
        {
            T answer = default!;
            try
            {
                await BoundedWait.RunAsync(
                    async ending =>
                    {
                        await using var session = await source.OpenConnectionAsync(host, ending);
                        answer = await ask(session, ending);
                    },
                    limit ?? askTime ?? AskTime, clock, cancellation);
                return answer;
            }
            catch (NpgsqlException error) when (!isSecond && IsClosed(error))
            {
                // The idle sessions are most likely closed too.
                source.Clear(host);
            }
            catch (TimeoutException error)
            {
                throw new NpgsqlException("The server does not answer.", error);
            }
        }
    }

    private static bool IsClosed(NpgsqlException error) =>
        error is not PostgresException refusal || PostgresFailure.EndsSession(refusal);
}
