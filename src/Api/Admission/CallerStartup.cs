namespace Gateway.Api.Admission;

/// <summary>How the callers come up.</summary>
internal static class CallerStartup
{
    /// <summary>With callers, any address may be listened on: whoever comes there must show a key.</summary>
    public static void AddCallers(this WebApplicationBuilder builder, Callers callers)
    {
        builder.Services.AddSingleton(callers);
        if (!callers.AreConfigured)
            builder.ServeLoopbackOnly();
    }
}
