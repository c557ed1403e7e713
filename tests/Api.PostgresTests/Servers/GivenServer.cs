namespace Gateway.Api.PostgresTests.Servers;

/// <summary>Represents a server that runs already. Others may use it, so the tests don't make it fail.</summary>
internal sealed class GivenServer(string dsn) : TestServer
{
    public override string Way => "the server of TEST_DSN";

    public override string Dsn => dsn;

    public override Task KillAsync() => throw NotOurs();

    public override Task StartAgainAsync() => throw NotOurs();

    public override Task PauseAsync() => throw NotOurs();

    public override Task ResumeAsync() => throw NotOurs();

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static NotSupportedException NotOurs() => new("The server of TEST_DSN is not the tests' own.");
}
